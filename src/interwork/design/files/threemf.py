"""The second opinion on 3MF: the consortium's own library in strict mode, and what a plain mesh does not show."""

import lib3mf

from interwork.core.errors import UnreadableDesign


def check(content: bytes) -> None:
    """Refuse what the conforming reader refuses, and beam lattices, whose volume a mesh does not give."""
    wrapper = lib3mf.get_wrapper() if hasattr(lib3mf, "get_wrapper") else lib3mf.Wrapper()
    model = wrapper.CreateModel()
    reader = model.QueryReader("3mf")
    reader.SetStrictModeActive(True)
    try:
        reader.ReadFromBuffer(content)
    except lib3mf.Lib3MF.ELib3MFException as fault:
        raise UnreadableDesign(
            f"The 3MF does not conform to the standard: {fault}.", remedy="Export it again, or repair it."
        ) from fault
    beams = _beams(model)
    if beams:
        raise UnreadableDesign(
            f"The 3MF holds a beam lattice of {beams} beams: its volume and mass are unverified, not 0.",
            remedy="Export the lattice as a closed mesh.",
        )


def _beams(model: lib3mf.Model) -> int:
    found, count = model.GetMeshObjects(), 0
    while found.MoveNext():
        count += int(found.GetCurrentMeshObject().BeamLattice().GetBeamCount())
    return count
