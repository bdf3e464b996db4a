"""TFX's Pusher behind a signature; imports what verifies verdicts."""
