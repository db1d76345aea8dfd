"""The words everyone shares: frozen values, units, identifiers, errors and the event vocabulary. No I/O."""
