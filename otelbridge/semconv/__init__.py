"""What attribute names and statements mean."""
