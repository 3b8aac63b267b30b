"""The token engine, attacked: flow, source, model, stress, event-loop lag, scale."""
