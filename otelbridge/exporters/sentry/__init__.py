"""What Sentry gets: transactions, error events, findings."""
