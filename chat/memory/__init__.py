"""What a conversation keeps of itself: a title, a summary, and what the host said of their own wishes."""

from .refreshing import MAX_PREFERENCES, forget, refresh

__all__ = ["MAX_PREFERENCES", "forget", "refresh"]
