"""Jobs after their enqueue: one handle, and the listings that operators need."""
