"""The viewer: an exam goes in; the reading room in the browser and the marks that a reader draws come out.

`component` is the Gradio component, `viewports` describes an exam to it, `pixel_server` serves the pixels, and `marks`
checks the marks that a browser sends. The JavaScript in `src` is built into `dist` by scripts/build_viewer.sh.
"""
