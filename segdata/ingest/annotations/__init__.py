"""Labels from annotation files of strangers: shapes, checked before anything is allocated or drawn.

shapes.py    polygons and runs: validate, then draw
figures.py   regions with holes, ellipses, lines and bitmaps
brush.py     the packed pixels of Label Studio
images.py    the shapes of one image, and its label
coco.py      COCO: JSON with polygons and RLE
cvat.py      CVAT for images 1.1: XML with polygons and masks
labelled.py  what the files of annotation tools have in common
supervisely.py, labelme.py, labelstudio.py   JSON of these tools
manifest.py  segdata.json, which says which sample each file is
answering.py the process that reads all these files and draws one label at a time
decoding.py  the caller's side of that process
"""
