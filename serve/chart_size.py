"""How large a chart is drawn.

Input: `width`, `height` and `dpi` of a request. Output: a `ChartSize` in which every text finds room.
"""

from typing import Annotated

from pydantic import Field, WithJsonSchema

from serve.parameters import Parameters

DEFAULT_WIDTH, DEFAULT_HEIGHT, DEFAULT_DPI = 990, 495, 110
MIN_WIDTH, MIN_HEIGHT, MIN_DPI, MAX_DPI = 480, 320, 72, 300
"""With fewer dots, letters of a chart are under 8 pixels high. Letters keep their size in inches: those
of the smallest chart need all that it has."""
DPI_SCHEMA = {"type": "integer", "minimum": MIN_DPI, "maximum": MAX_DPI}
"""No text in an address is the null that the default would add."""


class ChartSize(Parameters):
    """Pixels of a chart, and dots per inch, which say how large its letters are."""

    width: int = Field(DEFAULT_WIDTH, ge=MIN_WIDTH, le=2400, description="Width in pixels.")
    height: int = Field(DEFAULT_HEIGHT, ge=MIN_HEIGHT, le=1600, description="Height in pixels.")
    dpi: Annotated[int | None, WithJsonSchema(DPI_SCHEMA)] = Field(
        None,
        ge=MIN_DPI,
        le=MAX_DPI,
        description="Dots per inch: more for larger letters, as far as the chart has room for them."
        " By default, letters grow with the chart.",
    )

    @property
    def dots_per_inch(self) -> int:
        """The dots per inch that were asked for, or those that suit the size; never without room."""
        scale = min(self.width / DEFAULT_WIDTH, self.height / DEFAULT_HEIGHT)
        room = MIN_DPI * min(self.width / MIN_WIDTH, self.height / MIN_HEIGHT)
        return min(self.dpi or max(round(DEFAULT_DPI * scale), MIN_DPI), int(room), MAX_DPI)
