"""The publication's logo: pictures of the workspace that `[publication.logo]` names."""

from functools import lru_cache
from pathlib import Path

from digest.articles.embeds import LoadedImage
from digest.articles.media import load_image
from digest.render.context import ImageView, LogoView
from digest.render.figures import media_url
from digest.runtime.errors import ContentError
from digest.settings.publication import pick
from digest.settings.root import Settings


def logo_pictures(settings: Settings) -> tuple[LoadedImage, ...]:
    """Return the logo and its variant for dark grounds, as far as there are any. Raises ContentError."""
    logo = settings.publication.logo
    if logo is None:
        return ()
    named = {"src": logo.src} | ({"dark": logo.dark} if logo.dark else {})
    return tuple(_loaded(settings.workspace, key, src) for key, src in named.items())


def _loaded(workspace: Path, key: str, src: str) -> LoadedImage:
    try:
        return _read(workspace, src, (workspace / src).stat().st_mtime_ns)
    except (OSError, ValueError) as error:  # a NUL
        reason = error.strerror if isinstance(error, OSError) else error
        message = f"[publication.logo] {key}: {src!r} cannot be read: {reason}."
        raise ContentError(message, hint="The path is relative to the workspace.") from error
    except ContentError as error:
        hint = "It must be a JPEG, PNG or GIF in the workspace."
        raise ContentError(f"[publication.logo] {key}: {error.message}", hint=hint) from error


@lru_cache(maxsize=8)
def _read(workspace: Path, src: str, changed_at: int) -> LoadedImage:
    del changed_at  # a file that was replaced is read again
    return load_image(workspace, workspace, src)


def logo_view(settings: Settings, language: str) -> LogoView | None:
    """Return the logo as templates show it. Raises ContentError."""
    logo = settings.publication.logo
    if logo is None:
        return None
    alt = pick(logo.alt, language)

    def view(picture: LoadedImage) -> ImageView:
        height = max(round(logo.width * picture.height / picture.width), 1)
        url = media_url(picture.file, settings.publication.base_url)
        return ImageView(url, alt, width=logo.width, height=height)

    views = [view(picture) for picture in logo_pictures(settings)]
    return LogoView(views[0], views[1] if len(views) > 1 else None)
