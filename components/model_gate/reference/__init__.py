"""What a verdict keeps of the judged table for monitoring. Imports statistics and documents."""
