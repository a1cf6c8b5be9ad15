"""Pages of PDF documents as pictures, with the places of a citation's words on them."""
