//! The command line: words to a typed graph, program options, help, completions, and what a person sees while it runs.
