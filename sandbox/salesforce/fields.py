"""Fields of an object: what may be read and written, and what describe says of them.

https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_calls_describesobjects_describesobjectresult.htm
"""

from dataclasses import dataclass
from typing import Any

TEXTS = frozenset({"string", "textarea", "picklist", "combobox", "multipicklist", "email", "phone", "url"})
NUMBERS = frozenset({"int", "double", "currency", "percent"})
LONGEST_FILTERED = 255
"""Characters above which a text area can be neither filtered nor sorted by."""
SOAP_TYPES = {
    "id": "tns:ID",
    "reference": "tns:ID",
    "boolean": "xsd:boolean",
    "int": "xsd:int",
    "double": "xsd:double",
    "currency": "xsd:double",
    "percent": "xsd:double",
    "date": "xsd:date",
    "datetime": "xsd:dateTime",
    "base64": "xsd:base64Binary",
    "address": "urn:address",
}
# What describe says of every field that is nothing special.
PLAIN: dict[str, Any] = {
    "aggregatable": True,
    "aiPredictionField": False,
    "autoNumber": False,
    "calculated": False,
    "calculatedFormula": None,
    "cascadeDelete": False,
    "controllerName": None,
    "defaultValueFormula": None,
    "dependentPicklist": False,
    "deprecatedAndHidden": False,
    "displayLocationInDecimal": False,
    "encrypted": False,
    "extraTypeInfo": None,
    "filteredLookupInfo": None,
    "formulaTreatNullNumberAsZero": False,
    "highScaleNumber": False,
    "inlineHelpText": None,
    "mask": None,
    "maskType": None,
    "queryByDistance": False,
    "referenceTargetField": None,
    "relationshipOrder": None,
    "restrictedDelete": False,
    "searchPrefilterable": False,
    "writeRequiresMasterRead": False,
}


@dataclass(frozen=True)
class Field:
    """A field. ``compound`` names the one it is a part of; ``is_granted_only`` hides it until somebody permits it."""

    name: str
    label: str
    type: str
    length: int = 0
    precision: int = 0
    scale: int = 0
    is_html: bool = False
    createable: bool = True
    updateable: bool = True
    nillable: bool = True
    defaulted: bool = False
    default: Any = None
    picklist: tuple[str, ...] = ()
    restricted: bool = False
    references: tuple[str, ...] = ()
    relationship: str = ""
    compound: str = ""
    custom: bool = False
    external_id: bool = False
    unique: bool = False
    case_sensitive: bool = False
    id_lookup: bool = False
    name_field: bool = False
    is_granted_only: bool = False

    @property
    def is_filterable(self) -> bool:
        """Whether a query may have it in WHERE."""
        return self.type not in {"address", "base64"} and not (
            self.type == "textarea" and self.length > LONGEST_FILTERED
        )

    @property
    def is_required(self) -> bool:
        """Whether a new record must bring a value."""
        return self.createable and not self.nillable and not self.defaulted

    @property
    def is_indexed(self) -> bool:
        """Whether looking for a value is quick."""
        return self.external_id or self.unique or self.id_lookup or self.type == "reference"

    @property
    def can_match(self) -> bool:
        """Whether an upsert may find records by it."""
        return self.external_id or self.id_lookup

    def describe(self, *, is_editable: bool) -> dict[str, Any]:
        """One item of describe's ``fields``, for a user who may edit it or not."""
        is_text = self.type in TEXTS or self.type in {"id", "reference"}
        own = {
            "name": self.name,
            "label": self.label,
            "type": self.type,
            "length": self.length if is_text else 0,
            "byteLength": self.length * 3 if self.type in TEXTS else self.length,
            "precision": self.precision,
            "scale": self.scale,
            "digits": 9 if self.type == "int" else 0,
            "createable": self.createable and is_editable,
            "updateable": self.updateable and is_editable,
            "nillable": self.nillable,
            "defaultedOnCreate": self.defaulted,
            "defaultValue": self.default if self.type == "boolean" else None,
            "custom": self.custom,
            "externalId": self.external_id,
            "idLookup": self.can_match or self.type == "id",
            "unique": self.unique,
            "caseSensitive": self.case_sensitive,
            "compoundFieldName": self.compound or None,
            "restrictedPicklist": self.restricted,
            "picklistValues": [self._choice(value) for value in self.picklist],
            "referenceTo": list(self.references),
            "relationshipName": self.relationship or None,
            "polymorphicForeignKey": len(self.references) > 1,
            "namePointing": len(self.references) > 1,
            "nameField": self.name_field,
            "permissionable": self.updateable and self.nillable,
            "filterable": self.is_filterable,
            "groupable": self.is_filterable and self.type not in {"double", "currency", "datetime"},
            "sortable": self.is_filterable,
            "htmlFormatted": self.is_html or self.type == "url",
            "extraTypeInfo": "richtextarea" if self.is_html else None,
            "soapType": SOAP_TYPES.get(self.type, "xsd:string"),
        }
        return dict(sorted((PLAIN | own).items()))

    def _choice(self, value: str) -> dict[str, Any]:
        return {
            "active": True,
            "defaultValue": value == self.default,
            "label": value,
            "validFor": None,
            "value": value,
        }
