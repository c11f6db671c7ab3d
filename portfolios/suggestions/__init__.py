"""Suggestions: what to change, why, how, and what it should bring. Source: docs/economics.md, "Suggestions"."""
