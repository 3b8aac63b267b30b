"""The RFCs as pure functions: `prepare_…` makes a request, `process_…` reads its answer. No I/O, no clock."""
