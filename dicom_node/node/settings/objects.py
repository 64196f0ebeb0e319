"""``[objects]``: where the bytes of images and results live."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator

from dicom_node.node.settings.section import Bytes, Seconds, Section

_NONE = SecretStr("")
_LEAST_PART_BYTES = 5 << 20  # of S3: any smaller part but the last is refused


class ObjectsSection(Section):
    """A folder, or a bucket of an S3 object store."""

    kind: Literal["file", "s3"] = "file"
    bucket: str = ""
    prefix: str = Field(default="", pattern=r"^[A-Za-z0-9._/-]*$")
    endpoint: str = Field(default="", pattern=r"^(https?://\S+)?$")
    region: str = Field(default="us-east-1", min_length=1)
    virtual_hosted: bool = False
    access_key_id: SecretStr = _NONE
    secret_access_key: SecretStr = _NONE
    ca: Path | None = None
    encryption: Literal["", "AES256", "aws:kms"] = ""
    kms_key_id: str = ""
    timeout_s: Seconds = 30.0
    retry_s: Seconds = 10.0
    multipart_bytes: int = Field(default=16_777_216, ge=_LEAST_PART_BYTES, le=5 << 30)
    cache_bytes: Bytes = 10_000_000_000

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.kind == "s3" and not self.bucket:
            msg = "kind s3 needs a bucket"
            raise ValueError(msg)
        has_id = bool(self.access_key_id.get_secret_value())
        if has_id != bool(self.secret_access_key.get_secret_value()):
            msg = "access_key_id and secret_access_key belong together"
            raise ValueError(msg)
        if self.kms_key_id and self.encryption != "aws:kms":
            msg = "kms_key_id is for encryption aws:kms"
            raise ValueError(msg)
        return self
