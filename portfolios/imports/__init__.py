"""A host's file of daily results, from upload to undo.

`files` keeps it, `sniffing` finds out how it is written, `cells` reads its rows, `reading` stages them in slices,
`days` works out what they come to, `storing` stores or undoes them at once, `service` is the door, `jobs` the worker.
"""
