"""From the outbox to the destination, at least once, however long it is away."""
