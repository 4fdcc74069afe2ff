"""A clock that leaps over time in which nothing is due."""

from tipman.clock import ManualClock


class LeapingClock(ManualClock):
    """A manual clock whose alarms ring late, but never while it is told to pass over them."""

    def boot_us(self):
        """Return microseconds since it was made, those included that the machine slept."""
        return self._elapsed_us + self._slept_us

    def leap(self, microseconds):
        """Let time pass without an alarm; what should have rung rings when it next may."""
        self._move_to(self._elapsed_us + microseconds)

    def ring(self):
        """Let ring what should have rung by now."""
        self.advance(0)

    def forget_alarms(self):
        """Whoever set them is dead."""
        self._alarms = []
