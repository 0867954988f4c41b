"""Kept traces in, parcels out; one attempt to deliver a parcel."""
