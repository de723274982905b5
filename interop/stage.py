"""What some checks need besides the people of `World`: more servers and phones, and an instance of stox set up for them.

A stage is built for the first check that asks for it and is torn down when a check asks for another one or for none."""

from peers.place import SECRET
from peers.stox import COMPONENT, Stox


def telephones(name, hop="", more="", link=True):
    """TOML of a domain of telephones, called alike on both sides and reached by `hop`, a URI, or by its name; with
    `link`, as one more component. Names between braces are left to `Stage.stox`."""
    made = COMPONENT.replace("{domain}", name) if link else ""
    hop = f'next_hop = "{hop}"\n' if hop else ""
    return f'{made}[[domain]]\nhome = "sip"\nxmpp = "{name}"\nsip = "{name}"\n{hop}{more}\n'


class Stage:
    """`programs` are started in their order and stopped in the other. A subclass makes them in its `__init__`."""

    def __init__(self, world):
        self.w, self.place, self.programs = world, world.place, []
        self.juliet, self.nurse = world.juliet, world.nurse

    def stox(self, name, domain, sides, **names):
        """An instance of stox that speaks for `domain`. `sides` is TOML, with `names` and `domain` between
        braces."""
        sides = sides.format(domain=domain, component=self.place.component, secret=SECRET, **names)
        made = Stox(self.place, self.w.stox.binary, name, domain, self.place.ports(), sides)
        self.programs.append(made)
        return made

    def add(self, program):
        self.programs.append(program)
        return program

    async def start(self):
        for program in self.programs:
            await program.start()

    async def stop(self):
        for program in reversed(self.programs):
            await program.stop()

    def fresh(self):
        for program in self.programs:
            if hasattr(program, "mail"):
                program.mail.clear()

    def ended(self):
        """The instance of stox that should run and does not."""
        return next((program for program in self.programs if isinstance(program, Stox) and not program.running), None)
