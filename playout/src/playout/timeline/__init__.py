"""A programme and an instant to placements; pure arithmetic."""
