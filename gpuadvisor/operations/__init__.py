"""Running the site: backups, retention, privacy, staff at work. Above the apps: it may know all of their tables."""
