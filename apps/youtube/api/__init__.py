"""YouTube for programs: channels and the quota over REST."""
