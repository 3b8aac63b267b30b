"""The ground: values and the rules about them. Imports nothing else of krauth."""
