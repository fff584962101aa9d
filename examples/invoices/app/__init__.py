"""An invoices backend: its tasks, and a script that enqueues them."""
