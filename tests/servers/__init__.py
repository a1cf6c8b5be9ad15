"""Servers on loopback that speak the providers' protocols, byte for byte and as badly as asked."""
