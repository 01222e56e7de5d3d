"""The report's figures: drawn once by matplotlib, as SVG for the page and as SVG and PDF for papers."""
