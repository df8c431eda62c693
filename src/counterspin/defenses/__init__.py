"""Defences: hardening in training."""
