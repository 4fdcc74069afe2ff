"""Campaigns over REST: forked servers for most kills, servers started as users do for the rest."""

from functools import partial

from crash import campaign
from crash_rest import servers
from crash_rest.life import ProgramLife, RestLife, SlowLife

KILLS_A_LIFE = 8
FORKED = campaign.Course(servers.forking, RestLife, KILLS_A_LIFE, random_s_max=0.45)
# One that starts by itself is longer about that than about all the rest of its life.
SOURCE = campaign.Course(servers.source, SlowLife, KILLS_A_LIFE, random_s_max=0.6)


def of_program(file):
    """Return the course for the single program, in which nothing can be aimed at."""
    start = partial(servers.program, file)
    return campaign.Course(start, ProgramLife, KILLS_A_LIFE, places={}, random_s_max=0.6)
