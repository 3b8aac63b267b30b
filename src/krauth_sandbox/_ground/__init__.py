"""What both providers stand on: parsers, switches, clocks, limits, records. It imports no other room."""
