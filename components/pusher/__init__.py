"""Pusher: publishes a blessed model where a server looks, whole or not at all."""
