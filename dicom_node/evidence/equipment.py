"""How results name what made them: the algorithm, the observer, the equipment.

Algorithm Identification (PS3.3 table 10-19), Device Observer (PS3.16 TID 1004) and
Contributing Equipment (PS3.3 C.12.1).
"""

from datetime import datetime

from highdicom import AlgorithmIdentificationSequence, ContributingEquipment
from highdicom.sr import DeviceObserverIdentifyingAttributes, ObserverContext
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes as dicom_codes

from dicom_node.evidence import codes
from dicom_node.evidence.maker import Maker
from dicom_node.evidence.wording.disclaimer import DISCLAIMER


def algorithm(maker: Maker) -> AlgorithmIdentificationSequence:
    """Name the model as the algorithm."""
    return AlgorithmIdentificationSequence(
        name=maker.model.name[:64],
        family=codes.ARTIFICIAL_INTELLIGENCE,
        version=maker.model.version[:64],
        source=maker.manufacturer,
        parameters={"SHA-256": maker.model.sha256},
    )


def device_observer(maker: Maker) -> ObserverContext:
    """Name this node as the observer."""
    return ObserverContext(
        observer_type=dicom_codes.DCM.Device,
        observer_identifying_attributes=DeviceObserverIdentifyingAttributes(
            uid=maker.device_uid,
            name=maker.ae_title,
            manufacturer_name=maker.manufacturer,
            model_name=maker.product,
            serial_number=maker.serial_number,
        ),
    )


def contributing_equipment(
    clean: Dataset, maker: Maker, moment: datetime, *, credits_model: bool = True
) -> list[Dataset]:
    """List what took the film, and this node (CID 7005).

    Parameters
    ----------
    clean
        The film's header, every value valid.
    moment
        Of creation, by the film's clock.
    credits_model
        Whether the model had a part.
    """
    model = maker.model
    credit = f". Model {model.name} {model.version}, SHA-256 {model.sha256}"
    if not credits_model:
        credit = ""
    own = ContributingEquipment(
        manufacturer=maker.manufacturer,
        purpose_of_reference=codes.PROCESSING_EQUIPMENT,
        manufacturer_model_name=maker.manufacturer_model_name,
        software_versions=maker.software_version,
        device_serial_number=maker.serial_number,
        station_name=maker.ae_title,
        contribution_datetime=moment.strftime("%Y%m%d%H%M%S"),
        contribution_description=f"{DISCLAIMER}{credit}",
    )
    if not clean.get("Manufacturer"):
        return [own]
    return [ContributingEquipment.for_image_acquisition(clean), own]
