"""What this node fetches from the world on a schedule: TAXII servers, MISP feeds, plain lists."""
