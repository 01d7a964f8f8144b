"""Plans and subscriptions, which become entitlements."""
