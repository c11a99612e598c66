"""The bucket side of the blob port (boto3 1.44): any S3-compatible store. Keys, readers and errors are the port's.

What an upload left half done is the bucket's to clear: give it a life-cycle rule that aborts multipart uploads after a
day. The key needs s3:ListBucket beside reading and writing: without it S3 says "forbidden" for what is just not there.
"""

import contextlib
import logging
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

import boto3
from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from api.kit.blobs import BlobNotFound, BlobsUnavailable, checked_key
from api.kit.metrics import STORE_ERRORS
from api.settings import BlobSettings

log = logging.getLogger(__name__)
PART_BYTES = 8 * 1024**2  # larger files travel in parts of this size, read from the disk as they go
IN_MEMORY_BYTES = 1024**2  # a stream up to this size needs no file
PIECE_BYTES, MOST_PIECES = 256 * 1024, 16  # what waits for a disk that is slower than the net: 4 MiB
LEFTOVERS_AGE_S = 24 * 3600
BUCKET_KNOWN_S = 30.0
_PREFIX = "blob-"
_NO_KEY = {"NoSuchKey", "404", "NotFound"}
_TROUBLE = (ClientError, BotoCoreError, Boto3Error, OSError)


class S3Blobs:
    """Blobs as objects of one bucket. Nothing is asked of the server before the first call; threads may share it."""

    def __init__(self, settings: BlobSettings, scratch: Path) -> None:
        self._bucket = settings.s3_bucket
        self._attempts = settings.s3_attempts
        self._scratch = scratch
        self._client = _client(settings, settings.s3_timeout_s, settings.s3_attempts)
        # /readyz waits for no retries
        self._checker = _client(settings, min(2.0, settings.s3_timeout_s), 1)
        self._transfer = TransferConfig(
            multipart_threshold=PART_BYTES,
            multipart_chunksize=PART_BYTES,
            max_concurrency=4,
            use_threads=True,
            io_chunksize=PIECE_BYTES,
            max_io_queue=MOST_PIECES,
        )
        self._bucket_seen_at = 0.0
        scratch.mkdir(parents=True, exist_ok=True)
        _clear_leftovers(scratch)

    def put(self, key: str, data: bytes) -> None:
        """Store `data` under `key`, replacing what was there."""
        with self._told(key):
            self._client.put_object(Bucket=self._bucket, Key=checked_key(key), Body=data)

    def put_file(self, key: str, path: Path) -> None:
        """Store the file's bytes under `key`, in parts when it is large, and remove it: its owner asked for a move."""
        with self._told(key):
            self._client.upload_file(str(path), self._bucket, checked_key(key), Config=self._transfer)
        path.unlink(missing_ok=True)

    def get(self, key: str) -> bytes:
        """The bytes; raises BlobNotFound. An answer that breaks off is asked for again."""
        checked_key(key)
        for attempt in range(1, self._attempts + 1):
            with self._told(key):
                answer = self._client.get_object(Bucket=self._bucket, Key=key)
                try:
                    data: bytes = answer["Body"].read()
                except (BotoCoreError, OSError):  # the library retries calls, not their bodies
                    if attempt == self._attempts:
                        raise
                    continue
                return data
        raise AssertionError("unreachable: the last attempt returns or raises")

    def open(self, key: str) -> BinaryIO:
        """A readable, seekable stream; raises BlobNotFound. A large one is a file without a name in scratch."""
        # the caller closes it
        stream = cast("BinaryIO", tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES, dir=str(self._scratch)))  # noqa: SIM115
        try:
            self._download(key, stream)
        except BaseException:
            stream.close()
            raise
        stream.seek(0)
        return stream

    @contextmanager
    def path(self, key: str) -> Iterator[Path]:
        """A copy in scratch that goes away with the context; raises BlobNotFound."""
        with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=self._scratch, ignore_cleanup_errors=True) as folder:
            path = Path(folder) / "blob"
            with path.open("wb") as file:
                self._download(key, file)
            yield path

    def delete(self, key: str) -> None:
        """Remove; nothing happens when it is not there."""
        with self._told(key):
            self._client.delete_object(Bucket=self._bucket, Key=checked_key(key))

    def exists(self, key: str) -> bool:
        """Whether `get` would find it."""
        checked_key(key)
        try:
            with self._told(key):
                self._client.head_object(Bucket=self._bucket, Key=key)
        except BlobNotFound:
            return False
        return True

    def keys(self, prefix: str = "") -> Iterator[str]:
        """Every key that begins with `prefix`, a thousand a request."""
        with self._told(prefix):
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix):
                yield from (item["Key"] for item in page.get("Contents", ()))

    def check(self) -> None:
        """Raises BlobsUnavailable when the bucket does not answer, or not to us."""
        with self._told("", bucket=True):
            self._checker.head_bucket(Bucket=self._bucket)

    def prepare(self) -> bool:
        """Make the bucket where there is none; whether it was made. What a house needs before its first start."""
        with self._told("", bucket=True):
            try:
                self._checker.head_bucket(Bucket=self._bucket)
            except ClientError as error:
                if _code(error) not in {*_NO_KEY, "NoSuchBucket"}:
                    raise
                region = self._client.meta.region_name
                place = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
                self._client.create_bucket(Bucket=self._bucket, **place)
                return True
        return False

    def _download(self, key: str, file: BinaryIO) -> None:
        with self._told(key):
            # in ranges, each of them repeated when it breaks off, and all of one version of the object
            self._client.download_fileobj(self._bucket, checked_key(key), file, Config=self._transfer)

    @contextmanager
    def _told(self, key: str, *, bucket: bool = False) -> Iterator[None]:
        """The library's errors as the port's own."""
        try:
            yield
        except _TROUBLE as error:
            code = _code(error)
            if code in _NO_KEY and not bucket:
                self._see_bucket()
                raise BlobNotFound(key) from error
            STORE_ERRORS.labels("blobs").inc()
            raise BlobsUnavailable(self._reason(code, error)) from error

    def _see_bucket(self) -> None:
        """HEAD says 404 for an object and for a bucket alike: a lost bucket must not look like a lost blob."""
        if time.monotonic() - self._bucket_seen_at > BUCKET_KNOWN_S:
            self.check()
            self._bucket_seen_at = time.monotonic()

    def _reason(self, code: str, error: Exception) -> str:
        if code in {"NoSuchBucket", "404"}:
            return f"there is no bucket {self._bucket}: create it or set SHOPLIGHT_BLOBS_S3_BUCKET"
        if code in {"AccessDenied", "403", "InvalidAccessKeyId", "SignatureDoesNotMatch"}:
            return (
                f"the bucket {self._bucket} refuses us ({code}): see SHOPLIGHT_BLOBS_S3_ACCESS_KEY, _SECRET_KEY and "
                "the bucket's policy"
            )
        return f"the bucket {self._bucket} does not serve: {error}"


def _code(error: BaseException | None) -> str:
    """What S3 calls its refusal; uploads wrap it in an error of their own."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", ""))
    return _code(error.__cause__ or error.__context__) if error is not None else ""


def _client(settings: BlobSettings, timeout_s: float, attempts: int) -> Any:
    """A client of a session of its own: boto3's default session is not for threads."""
    # other makes of S3 know less of the newer checksums than Amazon's own
    checksums: Any = "when_required" if settings.s3_endpoint else "when_supported"
    return boto3.session.Session().client(
        "s3",
        region_name=settings.s3_region,
        endpoint_url=settings.s3_endpoint or None,
        aws_access_key_id=settings.s3_access_key or None,
        aws_secret_access_key=settings.s3_secret_key or None,
        config=Config(
            connect_timeout=min(3.0, timeout_s),
            read_timeout=timeout_s,
            retries={"total_max_attempts": attempts, "mode": "standard"},
            max_pool_connections=50,
            s3={"addressing_style": "path" if settings.s3_endpoint else "auto"},
            request_checksum_calculation=checksums,
            response_checksum_validation=checksums,
        ),
    )


def _clear_leftovers(scratch: Path) -> None:
    """Copies that belonged to processes which were killed."""
    for folder in scratch.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            if time.time() - folder.stat().st_mtime > LEFTOVERS_AGE_S:
                shutil.rmtree(folder, ignore_errors=True)
