"""Backups of the whole database: made, kept encrypted, proven by restoring them, and brought back.

`drivers.driver()` is the way in; the settings BACKUP_* say which of the two does it. Django's ORM is used by `rows`,
`health`, `checking` and the commands alone: a restore must work where there is no database.
"""
