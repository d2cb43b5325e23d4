"""File metadata, trees and changesets. Pure."""
