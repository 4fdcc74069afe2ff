"""The commands of `tipman`, a module for each noun; `program` says where each stands."""
