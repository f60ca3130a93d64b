"""The steps of the recording, setting by setting. They depend on one another within a setting only."""
import addresses
import around
import bodies
import lists


def all_steps():
    for part in (lists.filled, bodies.wrong_bodies, addresses.routes, addresses.headers, bodies.text,
                 bodies.together, around.policies, around.noauth, around.cors, around.proxy,
                 around.prefix, around.health, around.small):
        yield from part()
