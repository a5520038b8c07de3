//! Files that are wrong: the message, its line and column, the caret, and the mend.

use super::*;
