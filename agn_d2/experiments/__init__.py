"""Many trainings for one table: ablations and cross-validations, each run a process of its own."""
