"""Says what we are: resources and facets projected onto the field's standards; none of them is a second store."""

from interwork.twin.aas import identifier_of as identifier_of
from interwork.twin.aas import shell as shell
from interwork.twin.aas import submodel as submodel
from interwork.twin.aas import value_only as value_only
from interwork.twin.i3x import NAMESPACE as NAMESPACE
from interwork.twin.i3x import object_of as object_of
from interwork.twin.i3x import object_types as object_types
from interwork.twin.i3x import value_of as value_of
