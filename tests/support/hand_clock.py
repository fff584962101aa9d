"""A clock that stands still until a test moves it."""


class HandClock:
    """Satisfies `Clock`; begins at a fixed instant, so that a failure reads the same twice."""

    def __init__(self, now_ms: int = 1_700_000_000_000) -> None:
        self._now_ms = now_ms

    def now_ms(self) -> int:
        return self._now_ms

    def monotonic_s(self) -> float:
        return self._now_ms / 1000

    def move(self, ms: int) -> None:
        """Let `ms` pass."""
        self._now_ms += ms
