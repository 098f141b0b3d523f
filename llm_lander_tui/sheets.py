"""The actions that lay a sheet over the screen; what is entered there goes back to the app."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import App

from llm_lander_tui.messages import ModelLoaded
from llm_lander_tui.screens.lander_screen import LanderScreen

if TYPE_CHECKING:
    from llm_lander_tui.errors import LanderError
    from llm_lander_tui.models.model import Model
    from llm_lander_tui.models.peeks import Peeks
    from llm_lander_tui.planner.launched import Launched
    from llm_lander_tui.state import LanderState


class Sheets(App[int]):
    """Imports each sheet when it is opened first, so that no start waits for it."""

    HORIZONTAL_BREAKPOINTS = LanderScreen.HORIZONTAL_BREAKPOINTS
    VERTICAL_BREAKPOINTS = LanderScreen.VERTICAL_BREAKPOINTS
    state: LanderState
    finder_text: str
    """What was typed into the finder last."""
    _peeks: Peeks | None = None

    def load_model(self, name: str, launched: Launched | None = None) -> None:
        """Read a model, for a start command where there is one; the last one asked for wins."""
        raise NotImplementedError

    def say(self, error: LanderError) -> None:
        """A failure in the status line."""
        self.state.status = str(error)

    def action_find_model(self) -> None:
        """Open the finder."""
        from llm_lander_tui.models.peeks import Peeks
        from llm_lander_tui.screens.finder import ModelFinder

        self._peeks = self._peeks or Peeks()

        def chosen(name: str | None) -> None:
            if name:
                self.load_model(name)

        self.push_screen(ModelFinder(self.state.scenario, self.finder_text, self._peeks), chosen)

    def action_manual(self) -> None:
        """Describe a model by hand."""
        from llm_lander_tui.screens.manual import ManualForm

        def entered(model: Model | None) -> None:
            if model is not None:
                self.post_message(ModelLoaded(model))

        self.push_screen(ManualForm(), entered)

    def action_explain(self) -> None:
        """Open the plan under the cursor into its sums."""
        from llm_lander_tui.planner.evaluate import evaluate
        from llm_lander_tui.screens.explain import ExplainSheet

        screen = self.screen
        under = screen.under_cursor() if isinstance(screen, LanderScreen) else None
        plan = self.state.plan if under is None else evaluate(under)
        if plan is None:
            self.state.status = "There is no plan to explain yet."
            return
        self.push_screen(ExplainSheet(plan))

    def action_copy_command(self) -> None:
        """Send the start command to the terminal's clipboard, and show it."""
        from llm_lander_tui.screens.command import CommandSheet

        plan = self.state.plan
        if plan is None:
            self.state.status = "There is no plan to start yet."
            return
        command = plan.scenario.engine.command(plan.scenario, plan.scenario.context)
        self.copy_to_clipboard(command)
        self.push_screen(CommandSheet(command, plan, self.size.width))

    def action_knobs(self) -> None:
        """Every knob in one place."""
        from llm_lander_tui.screens.knob_sheet import KnobSheet

        self.push_screen(KnobSheet(self.state))

    def action_settings(self) -> None:
        """What is kept between sessions."""
        from llm_lander_tui.screens.settings import SettingsSheet

        self.push_screen(SettingsSheet())

    def action_help(self) -> None:
        """Every key."""
        from llm_lander_tui.screens.help import HelpSheet

        self.push_screen(HelpSheet(self.screen))
