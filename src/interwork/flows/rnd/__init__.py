"""The stories of research and development: models run as services, trials that find settings, quality fed back."""
