"""PostgreSQL and Redis that the checkout brings along, and `make run`: plain Python, no Django in here.

account      under whose name the servers run (as root: an unprivileged one)
places       where their files and sockets stand
binaries     which programs they are
postgres     one PostgreSQL: made, configured, asked
valkey       two Redis servers: broker and cache
processes    a child that ends with its parent
keeper       owns the servers for as long as commands use them
attach       what a command calls: the servers stand, their addresses are in the environment
site         `make run`: checks, prepares, hands over to the supervisor
rehearsal    `STRIPE=standin`: the stand-in for Stripe beside the site
supervise    the supervisor, and what of its output the terminal shows
"""
