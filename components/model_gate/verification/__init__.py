"""Commands on a verdict that exists: is it true, who signed it; imports the stand-alone gate."""
