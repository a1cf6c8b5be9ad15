"""The files that versions were made from, and what was drawn of their pages."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from accounts.models import TenantModel


class Original(TenantModel):
    """The bytes that a version of a PDF was made from, once for each content of a document: a citation of an
    old version is shown on its own page. Goes with its document; `knowledge.pages.keeping` says when before."""

    id = models.BigAutoField(primary_key=True)
    document = models.ForeignKey("knowledge.Document", on_delete=models.CASCADE, related_name="originals")
    name = models.CharField(max_length=500)
    data = models.BinaryField()
    sha256 = models.CharField(max_length=64)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["document", "sha256"], name="original_once")]

    def __str__(self) -> str:
        return self.name


class PageLayout(TenantModel):
    """`knowledge.types.PageCharacters` of one page; `boxes` are packed, four numbers for each character."""

    id = models.BigAutoField(primary_key=True)
    original = models.ForeignKey(Original, on_delete=models.CASCADE, related_name="layouts")
    number = models.PositiveIntegerField()
    text = models.TextField()
    boxes = models.BinaryField()
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    pages = models.PositiveIntegerField()

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["original", "number"], name="page_layout_once")]


class PagePicture(TenantModel):
    """A page drawn once, and kept for a while. `width` is what was asked for: a long page is narrower."""

    id = models.BigAutoField(primary_key=True)
    original = models.ForeignKey(Original, on_delete=models.CASCADE, related_name="pictures")
    number = models.PositiveIntegerField()
    width = models.PositiveIntegerField()
    image = models.BinaryField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["original", "number", "width"], name="page_picture_once")
        ]
