"""The referee: checks any solution of the one model, and shares no code with what makes solutions."""

from interwork.allocation.verify.referee import verify as verify
