"""What adapters and providers derive from: every decision about a request, sign-in, token transports."""
